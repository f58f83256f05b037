"""Reads an archive's Parquet with DuckDB and pandas by the README's recipe, and compares both with what the records' own bytes say.

    tables.py README FOLDER COUNT
"""

import collections
import datetime
import json
import sys

import duckdb
import pandas as pd
import pyarrow

from recipe import recipe

readme, folder, count = sys.argv[1:]
names = {}
exec(compile(recipe(readme, "Read it with DuckDB and pandas", [("/srv/archive/topics/readings", folder)]), "README.md", "exec"), names)
averages, data = names["averages"], names["data"]

if len(data) != int(count):
    sys.exit("pandas has %d rows of %s" % (len(data), count))
found = dict(zip(averages.columns, map(str, averages.types)))
if (found["date"], found["hour"]) != ("DATE", "TINYINT"):
    sys.exit("DuckDB has the types %s" % found)
if data.date.map(type).unique().tolist() != [datetime.date] or str(data.hour.dtype) != "int8":
    sys.exit("pandas has the types %s, %s" % (data.date.map(type).unique(), data.hour.dtype))
if str(data.timestamp.dt.tz) != "UTC":
    sys.exit("pandas has times of the zone %s" % data.timestamp.dt.tz)

# By the hour of each record's time, from the JSON it was sent as.
readings = collections.defaultdict(list)
for row in data.itertuples():
    reading = json.loads(row.value)
    time = row.timestamp.to_pydatetime()
    if (row.date, row.hour) != (time.date(), time.hour):
        sys.exit("offset %d of partition %d is of %s and lies in %s, hour %s" % (row.offset, row.partition, time, row.date, row.hour))
    if (row.n, row.sensor, row.temperature, row.ok) != (reading["n"], reading["sensor"], reading["temperature"], reading["ok"]):
        sys.exit("beside %s pandas has %s" % (reading, row))
    readings[row.date, row.hour].append(reading["temperature"])
late = duckdb.sql("SELECT count(late), count(*) FROM read_parquet('%s/*/*/*.parquet', union_by_name = true)" % folder).fetchall()
if late != [(1, int(count))]:
    sys.exit("of the member that came later DuckDB has (values, rows) %s" % late)
expected = {hour: round(sum(values) / len(values), 9) for hour, values in readings.items()}
by_duckdb = {(date, hour): round(average, 9) for date, hour, average in averages.fetchall()}
by_pandas = {hour: round(average, 9) for hour, average in data.groupby(["date", "hour"]).temperature.mean().items()}
if not by_duckdb == by_pandas == expected:
    sys.exit("averages: DuckDB %s, pandas %s, expected %s" % (by_duckdb, by_pandas, expected))
print("DuckDB %s, pandas %s, pyarrow %s: %s records of %d hours" % (duckdb.__version__, pd.__version__, pyarrow.__version__, count, len(expected)))
