"""What an engine decides: which rows come next, how many, which are refused."""

from polyhead.serve.scheduling.backlog import Backlog
from polyhead.serve.scheduling.breakers import Breakers
from polyhead.serve.scheduling.pace import Pace
from polyhead.serve.scheduling.waiting import Taken, Waiting, WaitingQueue

__all__ = ["Backlog", "Breakers", "Pace", "Taken", "Waiting", "WaitingQueue"]
