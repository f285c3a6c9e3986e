"""Venue time and wall time.

Duty: say what time it is. The real wall clock is passed in; only the server reads it. Venue time runs
`speed` times as fast and can be advanced; wall time is what clients' own clocks say, so signature windows
and token lifetimes keep working at any speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Microseconds since the epoch, UTC."""

    @property
    def speed(self) -> float:
        """Venue seconds for each wall second."""
        ...

    @property
    def is_virtual(self) -> bool:
        """Whether time moves only when somebody advances it."""
        ...

    def now_us(self) -> int:
        """Venue time."""
        ...

    def wall_us(self) -> int:
        """Unscaled time."""
        ...

    def advance(self, delta_us: int) -> None:
        """Move venue time forward."""
        ...

    def set_speed(self, speed: float) -> None:
        """Change the pace from now on."""
        ...


class ScaledClock:
    """Venue time that follows a wall clock at a chosen speed."""

    is_virtual = False

    def __init__(self, wall_us: Callable[[], int], speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._wall_us = wall_us
        self._speed = speed
        self._anchor_wall = self._anchor_venue = wall_us()

    @property
    def speed(self) -> float:
        """Venue seconds for each wall second."""
        return self._speed

    def now_us(self) -> int:
        """Venue time: anchor + speed * wall time since the anchor."""
        return self._anchor_venue + int((self._wall_us() - self._anchor_wall) * self._speed)

    def wall_us(self) -> int:
        """Unscaled time."""
        return self._wall_us()

    def advance(self, delta_us: int) -> None:
        """Move venue time forward; time never goes back."""
        if delta_us < 0:
            raise ValueError("time cannot go back")
        self._anchor_venue += delta_us

    def set_speed(self, speed: float) -> None:
        """Change the pace from now on."""
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self._anchor_venue, self._anchor_wall = self.now_us(), self._wall_us()
        self._speed = speed


class VirtualClock:
    """Time for tests: stands still until advanced; wall time moves along."""

    is_virtual = True
    speed = 1.0

    def __init__(self, start_us: int) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        """Venue time."""
        return self._now_us

    def wall_us(self) -> int:
        """The same as venue time."""
        return self._now_us

    def advance(self, delta_us: int) -> None:
        """Move both times forward."""
        if delta_us < 0:
            raise ValueError("time cannot go back")
        self._now_us += delta_us

    def set_speed(self, speed: float) -> None:
        """A virtual clock has no pace of its own."""
        raise ValueError(f"a virtual clock cannot run at speed {speed}")
