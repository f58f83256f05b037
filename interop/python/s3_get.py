"""Copies every object under a prefix into a folder.

    s3_get.py ENDPOINT BUCKET PREFIX FOLDER
"""

import pathlib
import sys

import boto3

endpoint, bucket, prefix, folder = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing")
for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
    for entry in page.get("Contents", []):
        file = pathlib.Path(folder) / entry["Key"][len(prefix):].lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read())
