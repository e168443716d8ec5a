"""Parts of any long-running process: the workqueue, logs, metrics, clocks, loops and secret files.

Not here: overlays, images and promotions. The queue carries names and does not know their meaning.
Begin at workqueue.py, then logs.py.
"""
