"""The questions that the article asks, one file each; `QUESTIONS` is the list of them."""

from experiments.lab.question import Question
from experiments.questions.accuracy import ACCURACY
from experiments.questions.saturation import SATURATION
from experiments.questions.speed import SPEED
from experiments.questions.table1 import TABLE1
from experiments.questions.theory import THEORY
from experiments.questions.vanishing import VANISHING

QUESTIONS: dict[str, Question] = {
    question.name: question for question in (VANISHING, THEORY, SATURATION, TABLE1, ACCURACY, SPEED)
}

__all__ = ["QUESTIONS"]
