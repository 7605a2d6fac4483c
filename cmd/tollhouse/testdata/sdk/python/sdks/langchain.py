"""LangChain's chat models: one interface over the clients of three dialects."""

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_google_genai import ChatGoogleGenerativeAI
from langchain_openai import ChatOpenAI

from .weather import DESCRIPTION, NAME, SCHEMA

TOOL = {"title": NAME, "description": DESCRIPTION, **SCHEMA}
PLACE = {"title": "place", "description": "A place", **SCHEMA}

MODELS = {
    "langchain-openai": lambda base, key, model: ChatOpenAI(
        base_url=f"{base}/v1", api_key=key, model=model, max_retries=0, stream_usage=True),
    "langchain-anthropic": lambda base, key, model: ChatAnthropic(
        base_url=base, api_key=key, model=model, max_retries=0, max_tokens=100),
    "langchain-google-genai": lambda base, key, model: ChatGoogleGenerativeAI(
        base_url=base, api_key=key, model=model, max_retries=1),
}


def finish(message):
    said = message.response_metadata
    return said.get("finish_reason") or said.get("stop_reason")


def seen(message):
    usage = message.usage_metadata or {}
    return {
        "text": str(message.text),
        "calls": [{"name": c["name"], "args": c["args"]} for c in message.tool_calls],
        "finish": finish(message),
        "input": usage.get("input_tokens", 0),
        "output": usage.get("output_tokens", 0),
    }


def read(stream):
    whole, chunks = None, 0
    for chunk in stream:
        whole = chunk if whole is None else whole + chunk
        chunks += 1 if chunk.text else 0
    return {**seen(whole), "chunks": chunks}


class Client:
    def __init__(self, base, key, model, name):
        self.model = MODELS[name](base, key, model)

    def text(self, prompt):
        return seen(self.model.invoke(prompt))

    def stream(self, prompt):
        return read(self.model.stream(prompt))

    def tool(self, prompt):
        offered = self.model.bind_tools([TOOL])
        message = offered.invoke(prompt)
        result = ToolMessage("rain", tool_call_id=message.tool_calls[0]["id"], name=NAME)
        done = offered.invoke([HumanMessage(prompt), message, result])
        return {**seen(message), "text": seen(done)["text"]}

    def tool_stream(self, prompt):
        return read(self.model.bind_tools([TOOL]).stream(prompt))

    def schema(self, prompt):
        return {"object": self.model.with_structured_output(PLACE, method="json_schema").invoke(prompt)}
