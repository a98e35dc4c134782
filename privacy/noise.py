"""Where noise comes from: exact discrete Gaussian integers from the operating system, or simulated.

The exact sampler draws what Canonne, Kamath, Steinke, The Discrete Gaussian for Differential
Privacy (NeurIPS 2020), Algorithms 2 and 3 draw: a discrete Laplace proposal, accepted with
probability exp(-gamma), gamma rational. Such a coin is thrown for many draws at once: a uniform
number is compared, bit by bit, with exp(-gamma). Its first 53 bits nearly always decide, even
allowing floating point a thousand times its error; where they do not, decimals of growing
precision do. So the distribution is exact while the speed is numpy's.
"""

import hashlib
import math
import os
from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

FIRST_BITS = 53
DOUBT = 1e-12  # floating exp(-gamma) is off by < 1e-15; in between the next digits decide
WIDEST_SCALE = 2.0**26  # beyond it proposals times scale might leave 64-bit integers


class NoiseError(ValueError):
    """Noise that cannot be drawn."""


class NoiseSource(Protocol):
    """Integers of a discrete Gaussian centred on 0."""

    @property
    def label(self) -> str:
        """Either "exact" or "simulated"; reports must say which."""

    def integers(self, scale: float, size: int) -> IntArray:
        """`size` independent integers of standard deviation `scale`, in grid steps, (size,)."""


class ExactNoise:
    """Discrete Gaussian integers from the operating system's entropy: what a clinic releases with.

    It has no state: a fork, a second process or a seed set elsewhere cannot repeat a draw.
    """

    label = "exact"

    def integers(self, scale: float, size: int) -> IntArray:
        """`size` integers, P(x) proportional to exp(-x^2 / (2 s)), s = scale^2 rounded up."""
        variance = math.ceil(Fraction(_checked(scale)) ** 2)
        drawn = np.empty(0, dtype=np.int64)
        while len(drawn) < size:
            drawn = np.concatenate([drawn, _discrete_gaussian(variance, 3 * size + 16)])
        return drawn[:size]


class SimulatedNoise:
    """Repeatable rounded Gaussian integers for virtual clinics; protects nobody.

    Streams with different identifiers (clinic, round, ...) are independent.
    """

    label = "simulated"

    def __init__(self, seed: int, *stream: int | str) -> None:
        entropy = np.random.SeedSequence([seed, *(_word(each) for each in stream)])
        self._generator = np.random.Generator(np.random.Philox(entropy))

    def integers(self, scale: float, size: int) -> IntArray:
        """`size` integers: N(0, scale^2) rounded to the nearest."""
        return np.rint(self._generator.normal(0.0, _checked(scale), size)).astype(np.int64)


def _word(identifier: int | str) -> int:
    if isinstance(identifier, int):
        return identifier
    return int.from_bytes(hashlib.sha256(identifier.encode()).digest()[:8], "big")


def _checked(scale: float) -> float:
    if not 0 < scale <= WIDEST_SCALE:
        raise NoiseError(
            f"found a noise scale of {scale} grid steps; expected above 0 and at most "
            f"{WIDEST_SCALE:.0f}. No noise was drawn, so nothing may be released. What to do: "
            "correct the noise multiplier."
        )
    return scale


def _discrete_gaussian(variance: int, proposals: int) -> IntArray:
    """Those of `proposals` discrete Laplace draws that are accepted (Algorithm 3)."""
    t = math.isqrt(variance) + 1
    y = _discrete_laplace(t, proposals)
    off = np.abs(y) * t - variance  # gamma = (|y| - variance/t)^2 / (2 variance)
    gamma = (off / t) ** 2 / (2 * variance)
    accepted = _coins(gamma, lambda i: Fraction(int(off[i]) ** 2, 2 * variance * t * t))
    kept: IntArray = y[accepted]
    return kept


def _discrete_laplace(t: int, proposals: int) -> IntArray:
    """Integers with P(x) proportional to exp(-|x| / t); fewer than asked for (Algorithm 2)."""
    u = _uniform(t, proposals)
    u = u[_coins(u / t, lambda i: Fraction(int(u[i]), t))]
    x = u + t * _geometric(len(u))
    negative = _uniform(2, len(x)) == 1
    signed = np.where(negative, -x, x)
    once: IntArray = signed[~(negative & (x == 0))]  # -0 is dropped, or 0 would come twice as often
    return once


def _geometric(size: int) -> IntArray:
    """Heads of a coin of probability exp(-1) before its first tails, (size,)."""
    counts = np.zeros(size, dtype=np.int64)
    running = np.arange(size)
    while len(running):
        running = running[_coins(np.ones(len(running)), lambda _: Fraction(1))]
        counts[running] += 1
    return counts


def _coins(gamma: FloatArray, exact: Callable[[int], Fraction]) -> BoolArray:
    """True with probability exp(-gamma), exactly; `exact(i)` is the rational gamma of coin i."""
    bits = _words(len(gamma)) >> (64 - FIRST_BITS)
    uniform = bits / 2.0**FIRST_BITS
    probability = np.exp(-gamma)
    heads = uniform < probability
    for i in np.flatnonzero(np.abs(uniform - probability) < DOUBT).tolist():
        heads[i] = _settled(int(bits[i]), exact(i))
    return heads


def _settled(bits: int, gamma: Fraction) -> bool:
    """Whether a uniform number that starts with these 53 bits is below exp(-gamma)."""
    length = FIRST_BITS
    while True:
        precision = length // 3 + 30
        with localcontext(prec=precision):
            p = Fraction((-Decimal(gamma.numerator) / Decimal(gamma.denominator)).exp())
        error = Fraction(1 + gamma, 10 ** (precision - 2))
        if Fraction(bits + 1, 2**length) <= p - error:
            return True
        if Fraction(bits, 2**length) >= p + error:
            return False
        bits = bits << 64 | int(_words(1)[0])
        length += 64


def _uniform(below: int, size: int) -> IntArray:
    """Independent integers 0 <= u < below, (size,), by rejection, so that none is favoured."""
    last = np.uint64(2**64 // below * below - 1)
    drawn = np.empty(0, dtype=np.uint64)
    while len(drawn) < size:
        words = _words(size)
        drawn = np.concatenate([drawn, words[words <= last]])
    return (drawn[:size] % np.uint64(below)).astype(np.int64)


def _words(size: int) -> npt.NDArray[np.uint64]:
    """64-bit words of the operating system's entropy, (size,)."""
    return np.frombuffer(os.urandom(8 * size), dtype=np.uint64)
