import json

from google import genai
from google.genai import types

from .weather import DESCRIPTION, NAME, SCHEMA

TOOL = types.Tool(function_declarations=[
    types.FunctionDeclaration(name=NAME, description=DESCRIPTION, parameters_json_schema=SCHEMA),
])
# The SDK would call Python functions by itself; these are only declared.
OFFER = types.GenerateContentConfig(tools=[TOOL], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True))
FORMAT = types.GenerateContentConfig(response_mime_type="application/json", response_json_schema=SCHEMA)


def calls(response):
    return [{"name": c.name, "args": c.args} for c in response.function_calls or []]


def counts(response):
    usage = response.usage_metadata
    return {"input": usage.prompt_token_count, "output": usage.candidates_token_count} if usage else {}


def finish(response):
    reason = response.candidates[0].finish_reason if response.candidates else None
    return {"finish": reason.value} if reason else {}


class Client:
    def __init__(self, base, key, model, name):
        self.model = model
        self.client = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=base))

    def ask(self, contents, config=None):
        return self.client.models.generate_content(model=self.model, contents=contents, config=config)

    def read(self, prompt, config=None):
        saw = {"text": "", "chunks": 0, "calls": []}
        for chunk in self.client.models.generate_content_stream(model=self.model, contents=prompt, config=config):
            saw["calls"] += calls(chunk)
            if not chunk.function_calls and chunk.text:
                saw["text"] += chunk.text
                saw["chunks"] += 1
            saw.update(finish(chunk))
            saw.update(counts(chunk))
        return saw

    def text(self, prompt):
        response = self.ask(prompt)
        return {"text": response.text, **finish(response), **counts(response)}

    def stream(self, prompt):
        return self.read(prompt)

    def tool(self, prompt):
        response = self.ask(prompt, OFFER)
        made = response.function_calls[0]
        result = types.Part.from_function_response(name=NAME, response={"output": "rain"})
        result.function_response.id = made.id
        contents = [types.UserContent(prompt), response.candidates[0].content, types.UserContent([result])]
        return {"calls": calls(response), **finish(response), "text": self.ask(contents, OFFER).text}

    def tool_stream(self, prompt):
        return self.read(prompt, OFFER)

    def schema(self, prompt):
        return {"object": json.loads(self.ask(prompt, FORMAT).text)}
