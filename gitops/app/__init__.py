"""The composition root: makes every part of the controller, starts and stops it, and connects threads and queues.

Not here: rules, workflows and adapters, which know nothing of this package. Begin with app.controller, then
app.assembly.
"""
