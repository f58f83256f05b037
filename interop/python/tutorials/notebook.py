"""A notebook's part: runs the README's recipe against an address and a topic, and prints the numbers that pandas has.

    notebook.py README URL TOPIC
"""

import json
import os
import pathlib
import sys

import matplotlib

matplotlib.use("Agg")
import requests

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from recipe import recipe

readme, url, topic = sys.argv[1:]
printed = recipe(readme, "Plot in a notebook", [("http://127.0.0.1:8080", url), ("/topics/sensors/", "/topics/%s/" % topic)])
names = {}
exec(printed, names)
data = names["data"]
figure = os.path.join(os.environ.get("TMPDIR", "/tmp"), "weir-notebook-%d.png" % os.getpid())
matplotlib.pyplot.savefig(figure)
drawn = os.path.getsize(figure)
os.remove(figure)
if drawn < 5000:
    sys.exit("the plot is empty")
once = requests.get("%s/topics/%s/series?window=10m&columns=4" % (url, topic), timeout=20).json()
if once["reduced_to_columns"] != 4 or once["passed_over"] != 0:
    sys.exit("asked for four columns: %s" % once)
kept = [value for series in once["series"] for value in series["v"]]
if (min(kept), max(kept)) != (data.value.min(), data.value.max()):
    sys.exit("four columns lost a peak")
print(json.dumps(data.value.tolist()))
