import json

from mistralai.client import Mistral

from .weather import DESCRIPTION, NAME, SCHEMA

TOOL = {"type": "function", "function": {"name": NAME, "description": DESCRIPTION, "parameters": SCHEMA}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}}


def counts(usage):
    return {"input": usage.prompt_tokens, "output": usage.completion_tokens} if usage else {}


def call(made):
    args = made.function.arguments
    return {"name": made.function.name, "args": json.loads(args) if isinstance(args, str) else args}


class Client:
    def __init__(self, base, key, model, name):
        self.model = model
        self.chat = Mistral(api_key=key, server_url=base).chat

    def ask(self, prompt):
        return {"model": self.model, "messages": [{"role": "user", "content": prompt}]}

    def read(self, asked):
        saw, name, args = {"text": "", "chunks": 0}, "", ""
        for event in self.chat.stream(**asked):
            for choice in event.data.choices:
                if isinstance(choice.delta.content, str) and choice.delta.content:
                    saw["text"] += choice.delta.content
                    saw["chunks"] += 1
                for made in choice.delta.tool_calls or []:
                    name += made.function.name or ""
                    args += made.function.arguments
                saw["finish"] = choice.finish_reason or saw.get("finish")
            saw.update(counts(event.data.usage))
        return {**saw, "calls": [{"name": name, "args": json.loads(args)}] if name else []}

    def text(self, prompt):
        answer = self.chat.complete(**self.ask(prompt))
        choice = answer.choices[0]
        return {"text": choice.message.content, "finish": choice.finish_reason, **counts(answer.usage)}

    def stream(self, prompt):
        return self.read(self.ask(prompt))

    def tool(self, prompt):
        asked = {**self.ask(prompt), "tools": [TOOL]}
        choice = self.chat.complete(**asked).choices[0]
        made = choice.message.tool_calls
        result = {"role": "tool", "tool_call_id": made[0].id, "name": NAME, "content": "rain"}
        asked["messages"] = [*asked["messages"], choice.message, result]
        done = self.chat.complete(**asked).choices[0].message
        return {"calls": [call(c) for c in made], "finish": choice.finish_reason, "text": done.content}

    def tool_stream(self, prompt):
        return self.read({**self.ask(prompt), "tools": [TOOL]})

    def schema(self, prompt):
        choice = self.chat.complete(**self.ask(prompt), response_format=FORMAT).choices[0]
        return {"object": json.loads(choice.message.content)}
