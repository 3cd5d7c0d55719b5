"""How PyTorch's side is timed: the same everywhere, and as `adjoint bench` times ours."""

import statistics
import time


def timed(body, seconds: float, before=None) -> list[float]:
    """Milliseconds of each call over about `seconds`, sorted, after three calls to warm up. What
    `before` returns is handed to `body` and does not count."""
    samples, begin = [], None
    while begin is None or len(samples) < 5 or time.perf_counter() - begin < seconds:
        arguments = () if before is None else (before(),)
        start = time.perf_counter()
        body(*arguments)
        samples.append(1e3 * (time.perf_counter() - start))
        del arguments  # freed outside the next call's time
        if begin is None and len(samples) == 3:
            samples, begin = [], time.perf_counter()
    return sorted(samples)


def figures(samples: list[float]) -> dict:
    return {"median_ms": statistics.median(samples), "best_ms": samples[0]}
