"""The texts of the page in English and Chinese, and how times and durations are written.

Messages, names and reasons from git and the cluster are not translated. The sentences of one key mean the same in both.
Begin at language.py; add a text in status_texts.py or release_texts.py.
"""
