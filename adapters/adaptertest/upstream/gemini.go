package upstream

import "fmt"

// gemini streams server-sent events only.
type gemini struct{}

func (gemini) stream() string { return serverSentEvents }

// response is one GenerateContentResponse: a whole one, or a chunk.
func (gemini) response(e *Entry, part, finish, usage string) string {
	if finish != "" {
		finish = fmt.Sprintf(`,"finishReason":%q`, finish)
	}
	return fmt.Sprintf(`{"candidates":[{"content":{"parts":[%s],"role":"model"},"index":0%s}]%s,"modelVersion":%q,"responseId":%q}`,
		part, finish, usage, e.Model+"-echo", e.ResponseID)
}

func (gemini) usage(u Usage) string {
	return fmt.Sprintf(`,"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,"totalTokenCount":%d,"cachedContentTokenCount":%d}`,
		u.Input, u.Output, u.Input+u.Output, u.Cached)
}

func (gemini) text(text string) string { return fmt.Sprintf(`{"text":%s}`, quote(text)) }

func (gemini) function(e *Entry) string {
	return fmt.Sprintf(`{"functionCall":{"name":%q,"args":%s}}`, e.Tool, whole(arguments))
}

func (g gemini) whole(e *Entry, text string, u Usage, usage bool) string {
	part, tail := g.text(text), ""
	if e.Tool != "" {
		part = g.function(e)
	}
	if usage {
		tail = g.usage(u)
	}
	return g.response(e, part, "STOP", tail)
}

func (gemini) failure(message string) string {
	return fmt.Sprintf(`{"error":{"code":400,"message":%q,"status":"INVALID_ARGUMENT"}}`, message)
}

func (gemini) overload() string {
	return `{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}`
}

func (g gemini) overloadEvent() string { return g.event(g.overload()) }

func (gemini) event(data string) string { return "data: " + data + "\n\n" }

func (gemini) open(*Entry, Usage) string { return "" }

func (g gemini) chunk(e *Entry, text string) string {
	return g.event(g.response(e, g.text(text), "", ""))
}

func (g gemini) call(e *Entry) []string {
	if e.Tool == "" {
		return nil
	}
	return []string{g.event(g.response(e, g.function(e), "", ""))} // Gemini never splits one
}

func (gemini) ping() string { return "" } // it has none, and Google's SDK for Go takes no comments

func (g gemini) end(e *Entry, u Usage, usage bool) string {
	tail := ""
	if usage {
		tail = g.usage(u)
	}
	return g.event(g.response(e, g.text(""), "STOP", tail))
}
