import json

from openai import OpenAI

from .weather import DESCRIPTION, NAME, SCHEMA

TOOL = {"type": "function", "function": {"name": NAME, "description": DESCRIPTION, "parameters": SCHEMA, "strict": True}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": SCHEMA}}


def counts(usage):
    return {"input": usage.prompt_tokens, "output": usage.completion_tokens}


def calls(message):
    return [{"name": c.function.name, "args": json.loads(c.function.arguments)} for c in message.tool_calls]


class Client:
    def __init__(self, base, key, model, name):
        self.model = model
        self.completions = OpenAI(base_url=f"{base}/v1", api_key=key, max_retries=0).chat.completions

    def ask(self, prompt):
        return {"model": self.model, "messages": [{"role": "user", "content": prompt}]}

    def text(self, prompt):
        answer = self.completions.create(**self.ask(prompt))
        choice = answer.choices[0]
        return {"text": choice.message.content, "finish": choice.finish_reason, **counts(answer.usage)}

    def stream(self, prompt):
        saw = {"text": "", "chunks": 0}
        for chunk in self.completions.create(**self.ask(prompt), stream=True, stream_options={"include_usage": True}):
            for choice in chunk.choices:
                saw["text"] += choice.delta.content or ""
                saw["chunks"] += 1 if choice.delta.content else 0
                saw["finish"] = choice.finish_reason or saw.get("finish")
            if chunk.usage:
                saw.update(counts(chunk.usage))
        return saw

    def tool(self, prompt):
        asked = {**self.ask(prompt), "tools": [TOOL]}
        choice = self.completions.create(**asked).choices[0]
        result = {"role": "tool", "tool_call_id": choice.message.tool_calls[0].id, "content": "rain"}
        asked["messages"] = [*asked["messages"], choice.message, result]
        done = self.completions.create(**asked)
        return {"calls": calls(choice.message), "finish": choice.finish_reason, "text": done.choices[0].message.content}

    def tool_stream(self, prompt):
        with self.completions.stream(**self.ask(prompt), tools=[TOOL]) as stream:
            choice = stream.get_final_completion().choices[0]
        return {"calls": calls(choice.message), "finish": choice.finish_reason}

    def schema(self, prompt):
        answer = self.completions.create(**self.ask(prompt), response_format=FORMAT)
        return {"object": json.loads(answer.choices[0].message.content)}
