"""The rules: pure functions and immutable values that decide what Lockstep does. Every package here is one noun.

Not here: I/O, threads, clocks, processes, logs. Adapters read and write, workflows call rules and ports in order.
Begin with `objects` and `errors`, then `config_repo` (what git says), `sync` (what is applied) and `promotion`.
"""
