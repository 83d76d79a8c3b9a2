"""The refusals of the service, in its two body shapes."""

from typing import Any, Final

BAD_CREDENTIALS: Final = "Bad credentials"


class ApiError(Exception):
    """A request that the service refuses.

    With a code the answer is an error object, without one the short body with nothing but a message.
    """

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        """Note what to answer."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code

    def body(self, time_created: str) -> dict[str, Any]:
        """Return the JSON body of the answer."""
        if self.code is None:
            return {"message": self.message}
        return {
            "object": "error",
            "context": "api",
            "type": "invalid_request",
            "code": self.code,
            "message": self.message,
            "time_created": time_created,
        }


def bad_credentials() -> ApiError:
    """Refuse a key or a token."""
    return ApiError(403, BAD_CREDENTIALS)


def not_found() -> ApiError:
    """Say that there is no such object."""
    return ApiError(404, "Not Found")


def conflict() -> ApiError:
    """Say that the object exists already."""
    return ApiError(409, "Conflict")


def refused(code: str, message: str) -> ApiError:
    """Refuse a request that the service understood but cannot serve."""
    return ApiError(422, message, code)
