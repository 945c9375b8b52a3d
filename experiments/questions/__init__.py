"""The questions that the article asks, one file each; `QUESTIONS` is the list of them."""

from experiments.lab.question import Question
from experiments.questions.accuracy import ACCURACY
from experiments.questions.article import ARTICLE
from experiments.questions.initialization import INITIALIZATION
from experiments.questions.loss_surface import LOSS_SURFACE
from experiments.questions.saturation import SATURATION
from experiments.questions.speed import SPEED
from experiments.questions.table1 import TABLE1
from experiments.questions.theory import THEORY
from experiments.questions.vanishing import VANISHING

QUESTIONS: dict[str, Question] = {
    question.name: question
    for question in (
        VANISHING,
        SATURATION,
        LOSS_SURFACE,
        INITIALIZATION,
        TABLE1,
        THEORY,
        ACCURACY,
        SPEED,
        ARTICLE,
    )
}

__all__ = ["QUESTIONS"]
