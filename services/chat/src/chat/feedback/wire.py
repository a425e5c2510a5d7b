"""Feedback on the wire. As a part of a message it is in :mod:`chat.messages.wire`."""

from typing import Annotated

from pydantic import Field, StringConstraints

from chat.feedback.records import Given, Rating
from chat.messages.wire import FeedbackJson
from common.json_time import json_time
from contracts.chat import MAX_NOTE
from contracts.storable import Text
from servicekit.answers import Body


class GiveFeedback(Body):
    """A thumb, and why."""

    rating: Rating = Field(examples=["up"])
    note: Annotated[Text, StringConstraints(min_length=1, max_length=MAX_NOTE)] | None = None


def feedback_json(given: Given) -> FeedbackJson:
    """Feedback as clients know it; ``note`` is absent when there is none."""
    answer: FeedbackJson = {"rating": given.feedback.rating, "at": json_time(given.at)}
    if given.feedback.note is not None:
        answer["note"] = given.feedback.note
    return answer
