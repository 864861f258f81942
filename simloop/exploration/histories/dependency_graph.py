"""A graph of what must come before what, and its shortest cycle.

Owns: nodes by number, edges with a kind and a reason in words, strongly connected components (R.
Tarjan: Depth-First Search and Linear Graph Algorithms, 1972), and the shortest cycle among the
edges of some kinds.

Must not know: what the nodes are.

Invariant: the cycle that is found depends on the order in which edges were added, and on nothing
else.
"""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["Edge", "Graph"]

_STARTS = 256
"""Nodes of a component from which a shortest cycle is looked for."""


class Edge(NamedTuple):
    """One node comes before another."""

    source: int
    target: int
    kind: str
    reason: str
    parts: tuple[Edge, ...] = ()
    """The edges that this one stands for, if it is a way of several."""


class Graph:
    """Edges between numbered nodes.

    Example:
        >>> graph = Graph()
        >>> graph.add(Edge(1, 2, "ww", "two overwrote one"))
        >>> graph.add(Edge(2, 1, "rw", "two did not see one"))
        >>> graph.cycle(["ww"])
        >>> [edge.reason for edge in graph.cycle(["ww", "rw"])]
        ['two overwrote one', 'two did not see one']
    """

    def __init__(self) -> None:
        self._edges: dict[int, dict[tuple[int, str], Edge]] = {}

    def add(self, edge: Edge) -> None:
        """Add an edge, unless there is one of this kind between the two."""
        self._edges.setdefault(edge.target, {})
        self._edges.setdefault(edge.source, {}).setdefault((edge.target, edge.kind), edge)

    def without_adjacent(self, kind: str) -> Graph:
        """Return the graph whose cycles are those of this one without two edges of a kind in a row.

        Each of its edges is one of another kind, or one of another kind and one of that kind.
        (A. Cerone, A. Gotsman: Analysing Snapshot Isolation, 2018, theorem 4.)
        """
        found = Graph()
        for edge in self._all():
            if edge.kind == kind:
                continue
            found.add(edge)
            for further in self._edges[edge.target].values():
                if further.kind == kind:
                    found.add(Edge(edge.source, further.target, edge.kind, "", (edge, further)))
        return found

    def _all(self) -> Iterator[Edge]:
        for edges in self._edges.values():
            yield from edges.values()

    def cycle(self, kinds: Collection[str]) -> list[Edge] | None:
        """Return a shortest cycle of edges of these kinds, or None if there is none.

        In a component of very many nodes it is a short one: the first of them are looked at.
        """
        best: list[Edge] | None = None
        for component in self._components(kinds):
            for node in islice(component, _STARTS):
                found = self._shortest(node, component, kinds)
                if found and (best is None or len(found) < len(best)):
                    best = found
        return None if best is None else [part for edge in best for part in edge.parts or (edge,)]

    def _from(self, node: int, kinds: Collection[str]) -> list[Edge]:
        return [edge for edge in self._edges[node].values() if edge.kind in kinds]

    def _has_loop(self, node: int, kinds: Collection[str]) -> bool:
        return any((node, kind) in self._edges[node] for kind in kinds)

    def _shortest(
        self, start: int, component: dict[int, None], kinds: Collection[str]
    ) -> list[Edge] | None:
        """Return a shortest way from a node back to it, inside of its component."""
        came_by: dict[int, Edge] = {}
        queue = deque([start])
        while queue:
            for edge in self._from(queue.popleft(), kinds):
                if edge.target not in component or edge.target in came_by:
                    continue
                came_by[edge.target] = edge
                if edge.target == start:
                    return _way_to(start, came_by)
                queue.append(edge.target)
        return None

    def _components(self, kinds: Collection[str]) -> list[dict[int, None]]:
        """Return the strongly connected components that have a cycle."""
        found: list[dict[int, None]] = []
        order: dict[int, int] = {}
        low: dict[int, int] = {}
        open_nodes: dict[int, None] = {}
        for root in self._edges:
            if root in order:
                continue
            order[root] = low[root] = len(order)
            open_nodes[root] = None
            walk = [(root, iter(self._from(root, kinds)))]
            while walk:
                node, edges = walk[-1]
                edge = next(edges, None)
                if edge is not None:
                    target = edge.target
                    if target not in order:
                        order[target] = low[target] = len(order)
                        open_nodes[target] = None
                        walk.append((target, iter(self._from(target, kinds))))
                    elif target in open_nodes:
                        low[node] = min(low[node], order[target])
                    continue
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == order[node]:
                    component = _taken_from(open_nodes, node)
                    if len(component) > 1 or self._has_loop(node, kinds):
                        found.append(component)
        return found


def _taken_from(open_nodes: dict[int, None], first: int) -> dict[int, None]:
    """Take the nodes from one on, which were opened last, in the order of their numbers."""
    taken: list[int] = []
    while not taken or taken[-1] != first:
        taken.append(open_nodes.popitem()[0])
    return dict.fromkeys(sorted(taken))


def _way_to(start: int, came_by: dict[int, Edge]) -> list[Edge]:
    way = [came_by[start]]
    while way[-1].source != start:
        way.append(came_by[way[-1].source])
    return way[::-1]
