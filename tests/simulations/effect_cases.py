"""Small people of the study of effects, made once for all tests that need them."""

from functools import cache

import numpy as np

from models.calibration import Calibration
from models.heads import BOOK_PRIOR, LATENT, Head
from models.inputs import background_of
from simulations.effects_people import Subject, drawn_subject, subject
from simulations.effects_twin import TRAINING_ROWS, Case, case
from simulations.padova_parameters import public_patients
from simulations.padova_world import World

SEED = 5


@cache
def someone(world: World = "A", number: int = 0) -> Subject:
    """A public adult in 17 days of this world."""
    patient = public_patients()[10 + number]
    return subject(patient.name, patient, world, np.random.SeedSequence([SEED, number]))


@cache
def drawn(number: int, world: World = "A") -> Subject:
    """A drawn adult."""
    return drawn_subject("adult", number, world, SEED)


def book_head(who: Subject) -> Calibration:
    """A twin of whom only the basal is the person's own: quick, and with the right signs."""
    training = who.trace().rows(0, TRAINING_ROWS)
    head = Head(BOOK_PRIOR.mean.copy(), np.zeros(LATENT), 0.97, 4.0, background_of(training))
    size = len(BOOK_PRIOR.mean)
    return Calibration(who.identifier, head, np.eye(size), 0.0, ("by the book",), 14.0, 4032)


@cache
def book_case(world: World = "A", number: int = 0) -> Case:
    """A whole case with the book's twin."""
    who = someone(world, number)
    return case(who, book_head(who))
