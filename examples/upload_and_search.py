"""Upload a document, follow its job, and search it. Needs the standard library only."""

import json
import sys
import time
import urllib.request

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
document = "# Harbour\n\nThe crane on pier 7 lifts 40 tonnes. It is inspected every spring by the harbour office.\n"


def call(method, path, body=None, media_type="application/json"):
    """One request; the decoded answer."""
    request = urllib.request.Request(url + path, body, {"content-type": media_type}, method=method)
    with urllib.request.urlopen(request) as response:
        return json.load(response)


# Files go up as multipart form data, in fields called "files"; the collection is made if it is new.
part = (
    '--cut\r\ncontent-disposition: form-data; name="files"; filename="harbour.md"\r\n'
    f"content-type: text/markdown\r\n\r\n{document}\r\n--cut--\r\n"
)
path = "/api/v1/collections/harbour/documents"
job = call("POST", path, part.encode(), "multipart/form-data; boundary=cut")["job"]

while job["status"] in ("queued", "running"):
    time.sleep(0.2)
    job = call("GET", f"/api/v1/jobs/{job['id']}")
print(f"{job['status']}: {job['result']}")

query = json.dumps({"query": "How much can the crane lift?", "k": 3}).encode()
for hit in call("POST", "/api/v1/collections/harbour/search", query)["results"]:
    print(f"{hit['score']:.2f}  {hit['document']}: {hit['text']}")
