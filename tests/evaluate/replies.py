"""A model that replies as a test says, and remembers what it was asked."""

from guru.types import Completed, Delta, Usage


class Replies:
    """Each request gets the next reply: a text, or an error to raise; a function is given the prompt."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []

    async def __call__(self, request):
        self.requests.append(request)
        reply = self.replies.pop(0)
        if callable(reply):
            reply = reply(request.messages[-1].text)
        if isinstance(reply, Exception):
            raise reply
        return [Delta(text=reply), Completed(model=request.model, usage=Usage())]
