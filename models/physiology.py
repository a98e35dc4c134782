"""The oral minimal model with slow hepatic insulin action: equations, scheme and constants.

    Isc1' = u(t - tau) - kd Isc1          Q1' = g m - kempt Q1
    Isc2' = kd Isc1 - ka2 Isc2            Q2' = kempt (Q1 - Q2)
    Ip'   = ka2 Isc2 - ke Ip              Qg' = kempt Q2 - kabs Qg
    X'    = -p2 (X - s SI Ip / VI)        Ra  = f kabs Qg / VG
    e1'   = kE (s Ip / VI - e1)           e2' = kE (e1 - e2)
    G'    = -(SG + rho(G) X) G + max(SG Gb - SE e2, 0) + Ra + d
    IG'   = (G - IG) / alpha

u (mU/kg/min) is insulin above the resting basal supply, so Ip, X, e1 and e2 are deviations and 0 at
rest; m (mg/kg/min) are meals; s(t) = exp(a cos(h) + b sin(h) + ln s) multiplies insulin's action, h
the local hour; ln kabs is the patient's mean plus what the meal of the hour adds, linear between
the hours of meals; d(t) (mg/dL/min) is a disturbance. Cappon et al. 2023 (ReplayBG), with e1, e2,
the meals' kabs over their mean and the amplitude of rho added. Each minute the linear states take a
trapezoidal step, fed with the mean over the minute of the state before them in the chain; glucose
takes one with rho of half a minute on. Both are of second order: half the step changes less than
0.3 mg/dL, where backward Euler, as in ReplayBG, changes by 2 mg/dL after a meal.
"""

VG_DL_PER_KG = 1.45
VI_L_PER_KG = 0.135
KE_PER_MIN = 0.127
BIOAVAILABILITY = 0.9
INTERSTITIAL_LAG_MIN = 7.0
INSULIN_DELAY_MIN = 8
