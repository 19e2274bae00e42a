"""An answer that follows a JSON schema: the model cannot write anything else."""

import json
import sys

from openai import OpenAI

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
client = OpenAI(base_url=f"{url}/v1", api_key="not-needed-on-this-machine")

schema = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 40},
        "capital": {"type": "boolean"},
    },
    "required": ["city", "capital"],
    "additionalProperties": False,
}
answer = client.chat.completions.create(
    model="default",
    messages=[{"role": "user", "content": "Name a city in France, and say whether it is the capital."}],
    response_format={"type": "json_schema", "json_schema": {"name": "city", "schema": schema, "strict": True}},
    max_tokens=80,
    temperature=0,
)
print(json.loads(answer.choices[0].message.content))
