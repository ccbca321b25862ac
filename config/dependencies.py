"""Who depends on whom, and what cannot be."""

from collections.abc import Iterator, Mapping, Sequence


def find_cycles(depends_on: Mapping[str, Sequence[str]]) -> list[tuple[str, ...]]:
    """Return circles of dependencies, each from the project that closes it back to itself.

    Where there is a circle, at least one is returned; each dependency closes at most one. Names
    that are no keys are passed over.

    Depth-first search: a dependency on a project of the path that led here closes a circle.
    """
    cycles: list[tuple[str, ...]] = []
    done: set[str] = set()
    for start in depends_on:
        path: dict[str, Iterator[str]] = {}
        following: str | None = start if start not in done else None
        while following or path:
            if following:
                path[following] = iter(depends_on[following])
            name = next(reversed(path))
            following = None
            for other in path[name]:
                if other in path:
                    names = list(path)
                    cycles.append((name, *names[names.index(other) :]))
                elif other in depends_on and other not in done:
                    following = other
                    break
            else:
                del path[name]
                done.add(name)
    return cycles
