import json

from anthropic import Anthropic

from .weather import DESCRIPTION, NAME, SCHEMA

TOOL = {"name": NAME, "description": DESCRIPTION, "input_schema": SCHEMA}


def seen(message):
    return {
        "text": "".join(b.text for b in message.content if b.type == "text"),
        "calls": [{"name": b.name, "args": b.input} for b in message.content if b.type == "tool_use"],
        "finish": message.stop_reason,
        "input": message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0),
        "output": message.usage.output_tokens,
    }


class Client:
    def __init__(self, base, key, model, name):
        self.model = model
        self.messages = Anthropic(base_url=base, api_key=key, max_retries=0).messages

    def ask(self, prompt):
        return {"model": self.model, "max_tokens": 100, "messages": [{"role": "user", "content": prompt}]}

    def text(self, prompt):
        return seen(self.messages.create(**self.ask(prompt)))

    def stream(self, prompt):
        with self.messages.stream(**self.ask(prompt)) as stream:
            chunks = sum(1 for _ in stream.text_stream)
            return {**seen(stream.get_final_message()), "chunks": chunks}

    def tool(self, prompt):
        asked = {**self.ask(prompt), "tools": [TOOL]}
        message = self.messages.create(**asked)
        use = next(b for b in message.content if b.type == "tool_use")
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "rain"}
        asked["messages"] = [
            *asked["messages"],
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": [result]},
        ]
        return {**seen(message), "text": seen(self.messages.create(**asked))["text"]}

    def tool_stream(self, prompt):
        with self.messages.stream(**self.ask(prompt), tools=[TOOL]) as stream:
            return seen(stream.get_final_message())

    def schema(self, prompt):
        message = self.messages.create(**self.ask(prompt), output_config={"format": {"type": "json_schema", "schema": SCHEMA}})
        return {"object": json.loads(seen(message)["text"])}
