"""Runs the README's Spark script, but for its addresses as it is printed, and gives all of each table that it shows a part of.

    spark-submit spark_words.py README HDFS BOOTSTRAP TOPIC

The last line is JSON: {"spark": VERSION, "lines": LINES OF THE SCRIPT, "tables": [{WORD: COUNT, …} …]}.
"""

import json
import sys

import pyspark
from pyspark.sql.classic.dataframe import DataFrame

from recipe import recipe

readme, hdfs, bootstrap, topic = sys.argv[1:]
script = recipe(
    readme,
    "Count what was kept with Spark",
    [("hdfs://127.0.0.1:8020/", hdfs), ("/topics/log", "/topics/" + topic), ("127.0.0.1:9092", bootstrap), ('"subscribe": "log"', '"subscribe": "%s"' % topic)],
)
tables = []
show = DataFrame.show


def show_and_keep(table, *arguments, **named):
    show(table, *arguments, **named)
    tables.append({row.word: row["count"] for row in table.collect()})


DataFrame.show = show_and_keep
exec(compile(script, "README.md", "exec"), {"__name__": "__main__"})
lines = sum(1 for line in script.splitlines() if line.strip())
print(json.dumps({"spark": pyspark.__version__, "lines": lines, "tables": tables}))
