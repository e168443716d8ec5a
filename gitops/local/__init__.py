"""`lockstep local` and `make run`: a whole installation on one Linux machine, without containers, on 127.0.0.1.

No part of the controller imports it. cluster/ runs a real API server with simulated nodes; supervision/ starts and
ends the processes. Begin at up.py, the steps of `lockstep local up`; commands.py has the other commands.
"""
