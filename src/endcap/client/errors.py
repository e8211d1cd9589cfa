"""What a call can end in besides its answer: one error a kind of refusal, with the problem that the server told."""

from typing import Final

from endcap.client.shapes import FieldProblem, Problem


class ApiError(Exception):
    """A call that was not answered; `problem` is what the server said about it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(f"{problem.status} {problem.title}: {problem.detail}")
        self.problem = problem

    @property
    def errors(self) -> list[FieldProblem]:
        """The fields that are wrong, as far as the server names them."""
        return self.problem.errors


class InvalidCall(ApiError):
    """A body or parameter is wrong, too large, too slow or no JSON."""


class Unauthenticated(ApiError):
    """The key is unknown, expired or revoked."""


class WrongScope(ApiError):
    """The key may not do this; the problem names the scope that may."""


class NotFound(ApiError):
    """What was asked for is not known."""


class Conflict(ApiError):
    """The Idempotency-Key came before with another body."""


class TooMany(ApiError):
    """The key's allowance is spent, and was so after all tries."""


class Unavailable(ApiError):
    """The server cannot be reached or cannot answer now, after all tries."""


_KINDS: Final[dict[int, type[ApiError]]] = {
    401: Unauthenticated,
    403: WrongScope,
    404: NotFound,
    409: Conflict,
    429: TooMany,
}


def error_of(problem: Problem) -> ApiError:
    """The error that stands for `problem`."""
    return _KINDS.get(problem.status, Unavailable if problem.status >= 500 else InvalidCall)(problem)
