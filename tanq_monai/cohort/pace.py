"""How fast scans are done, and when the last one will be."""

from collections import deque

_WINDOW = 100  # scans: workers come and go, so the pace is that of late


class Pace:
    """Scans per minute, from the times at which the last ones were done."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_WINDOW + 1)

    def told(self, now: float, left: int) -> str:
        """Words on the pace, after another scan; none after the first.

        Args:
            now: seconds of a clock that runs.
            left: how many scans are.
        """
        self._times.append(now)
        seconds = now - self._times[0]
        if not seconds:
            return ""
        per_minute = 60 * (len(self._times) - 1) / seconds
        return f"{per_minute:.3g} scans/min" + (f", about {duration(60 * left / per_minute)} left" if left else "")


def duration(seconds: float) -> str:
    """As people say it: 40 s, 12 min, 3 h 05 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
