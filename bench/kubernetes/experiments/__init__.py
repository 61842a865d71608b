"""The experiments, in the order in which they run."""

from ..experiment import Experiment
from . import in_flight, last_endpoint, rollout

ALL: dict[str, Experiment] = {
    each.name: each
    for each in (
        rollout.EXPERIMENT,
        last_endpoint.EXPERIMENT,
        in_flight.EXPERIMENT,
    )
}
