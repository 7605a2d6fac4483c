"""The tool that is offered, and the schema of its arguments, which is also that of structured answers."""

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
NAME, DESCRIPTION = "weather", "The weather now"
