"""s3.py: puts an object of 1 MiB to the S3 that the variables of the SDK name, gets it back and prints whether they are the same, and asks who one is."""

import boto3
from botocore.config import Config

BODY = b"x" * 1048576

config = Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"})
client = boto3.client("s3", config=config)
client.put_object(Bucket="bucket", Key="bytes", Body=BODY)
print(client.get_object(Bucket="bucket", Key="bytes")["Body"].read() == BODY)
print(boto3.client("sts", config=config).get_caller_identity()["Account"])
