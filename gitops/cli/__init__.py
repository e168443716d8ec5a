"""The commands of `lockstep`, one module for each: options in, one workflow called, text and an exit code out.

Not here: rules and workflows. Begin with cli.main, which lists all commands.
"""
