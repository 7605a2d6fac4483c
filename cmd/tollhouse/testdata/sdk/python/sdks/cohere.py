import json

import cohere
from cohere.core.request_options import RequestOptions

from .weather import DESCRIPTION, NAME, SCHEMA

TOOL = {"type": "function", "function": {"name": NAME, "description": DESCRIPTION, "parameters": SCHEMA}}
ONCE = RequestOptions(max_retries=0)


def counts(usage):
    return {"input": int(usage.billed_units.input_tokens), "output": int(usage.billed_units.output_tokens)} if usage else {}


def text(response):
    return "".join(block.text for block in response.message.content or [])


def call(made):
    return {"name": made.function.name, "args": json.loads(made.function.arguments)}


class Client:
    def __init__(self, base, key, model, name):
        self.model = model
        self.client = cohere.ClientV2(api_key=key, base_url=base)

    def ask(self, prompt):
        return {"model": self.model, "messages": [{"role": "user", "content": prompt}], "request_options": ONCE}

    def text(self, prompt):
        response = self.client.chat(**self.ask(prompt))
        return {"text": text(response), "finish": response.finish_reason, **counts(response.usage)}

    def stream(self, prompt):
        saw = {"text": "", "chunks": 0}
        for event in self.client.chat_stream(**self.ask(prompt)):
            if event.type == "content-delta":
                saw["text"] += event.delta.message.content.text
                saw["chunks"] += 1
            elif event.type == "message-end":
                if event.delta.error:  # the SDK itself does not raise it
                    raise RuntimeError(event.delta.error)
                saw.update(finish=event.delta.finish_reason, **counts(event.delta.usage))
        return saw

    def tool(self, prompt):
        asked = {**self.ask(prompt), "tools": [TOOL]}
        response = self.client.chat(**asked)
        result = {"role": "tool", "tool_call_id": response.message.tool_calls[0].id, "content": "rain"}
        asked["messages"] = [*asked["messages"], response.message, result]
        made = [call(c) for c in response.message.tool_calls]
        return {"calls": made, "finish": response.finish_reason, "text": text(self.client.chat(**asked))}

    def tool_stream(self, prompt):
        saw, begun = {}, []
        for event in self.client.chat_stream(**self.ask(prompt), tools=[TOOL]):
            if event.type == "tool-call-start":
                begun.append(event.delta.message.tool_calls)
            elif event.type == "tool-call-delta":
                begun[-1].function.arguments += event.delta.message.tool_calls.function.arguments
            elif event.type == "message-end":
                saw["finish"] = event.delta.finish_reason
        return {**saw, "calls": [call(c) for c in begun]}

    def schema(self, prompt):
        response = self.client.chat(**self.ask(prompt), response_format={"type": "json_object", "json_schema": SCHEMA})
        return {"object": json.loads(text(response))}
