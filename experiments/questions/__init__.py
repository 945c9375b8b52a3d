"""The questions that the article asks, one file each; `QUESTIONS` is the list of them."""

from experiments.lab.question import Question
from experiments.questions.accuracy import ACCURACY
from experiments.questions.article import ARTICLE
from experiments.questions.speed import SPEED
from experiments.questions.theory import THEORY
from experiments.questions.vanishing import VANISHING

QUESTIONS: dict[str, Question] = {
    question.name: question for question in (VANISHING, THEORY, ACCURACY, SPEED, ARTICLE)
}

__all__ = ["QUESTIONS"]
