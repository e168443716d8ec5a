"""lockstep.yaml: the models of its sections, and reading it with every mistake named by its line.

Not here: the files of the config repo (core/config_repo), and making parts of the controller from the values (app).
Begin at model.py, `load`.
"""
