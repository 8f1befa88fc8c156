"""Argon2 alone, with the parameters of our passwords, in as many threads as there are cores."""

import json
import os
import sys
import threading
import time

from argon2 import PasswordHasher, Type

from accounts.hashers import BoundedArgon2Hasher as Ours


def main(seconds: float) -> None:
    hasher = PasswordHasher(
        time_cost=Ours.time_cost,
        memory_cost=Ours.memory_cost,
        parallelism=Ours.parallelism,
        type=Type.ID,
    )
    hashed = hasher.hash("plum orbit kettle nine sand")
    times: list[float] = []

    def verify() -> None:
        while time.perf_counter() < ends:
            began = time.perf_counter()
            hasher.verify(hashed, "plum orbit kettle nine sand")
            times.append((time.perf_counter() - began) * 1000)

    began = time.perf_counter()
    ends = began + seconds
    threads = [threading.Thread(target=verify) for _ in os.sched_getaffinity(0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - began
    times.sort()
    figures = {"p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}
    print(json.dumps({"requests": len(times), "seconds": took, **figures}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
