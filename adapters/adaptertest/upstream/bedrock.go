package upstream

import (
	"fmt"
	"net/http"

	"github.com/tollhouse/tollhouse/adapters/wire/eventstream"
)

// bedrock streams binary frames.
type bedrock struct{}

func (bedrock) stream() string { return "application/vnd.amazon.eventstream" }

// errorTypes is a dialect whose errors are named in a header.
type errorTypes interface {
	setErrorType(h http.Header, status int)
}

func (bedrock) setErrorType(h http.Header, status int) {
	kind := "ValidationException"
	switch {
	case status == http.StatusTooManyRequests:
		kind = "ThrottlingException"
	case status >= http.StatusInternalServerError:
		kind = "InternalServerException"
	}
	h.Set("X-Amzn-Errortype", kind)
}

func (bedrock) stop(e *Entry) string {
	if e.Tool != "" {
		return "tool_use"
	}
	return "end_turn"
}

func (bedrock) usage(u Usage) string {
	return fmt.Sprintf(`"usage":{"inputTokens":%d,"outputTokens":%d,"totalTokens":%d,"cacheReadInputTokens":%d,"cacheWriteInputTokens":0},"metrics":{"latencyMs":1}`,
		u.Input-u.Cached, u.Output, u.Input+u.Output, u.Cached)
}

func (b bedrock) whole(e *Entry, text string, u Usage, usage bool) string {
	block, tail := fmt.Sprintf(`{"text":%s}`, quote(text)), `"metrics":{"latencyMs":1}`
	if e.Tool != "" {
		block = fmt.Sprintf(`{"toolUse":{"toolUseId":"tooluse_%s","name":%q,"input":%s}}`, e.Mark, e.Tool, whole(arguments))
	}
	if usage {
		tail = b.usage(u)
	}
	return fmt.Sprintf(`{"output":{"message":{"role":"assistant","content":[%s]}},"stopReason":%q,%s}`, block, b.stop(e), tail)
}

func (bedrock) failure(message string) string { return fmt.Sprintf(`{"message":%q}`, message) }

func (bedrock) overload() string { return `{"message":"overloaded"}` }

func (b bedrock) overloadEvent() string {
	return string(eventstream.AppendException(nil, "serviceUnavailableException", []byte(b.overload())))
}

func (bedrock) event(name, payload string) string {
	return string(eventstream.AppendEvent(nil, name, []byte(payload)))
}

func (b bedrock) open(e *Entry, _ Usage) string {
	out := b.event("messageStart", `{"role":"assistant"}`)
	if e.Tool != "" {
		out += b.event("contentBlockStart", fmt.Sprintf(`{"contentBlockIndex":0,"start":{"toolUse":{"toolUseId":"tooluse_%s","name":%q}}}`, e.Mark, e.Tool))
	}
	return out
}

func (b bedrock) chunk(_ *Entry, text string) string {
	return b.event("contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":0,"delta":{"text":%s},"p":"abc"}`, quote(text)))
}

func (b bedrock) call(e *Entry) (pieces []string) {
	if e.Tool == "" {
		return nil
	}
	for _, a := range arguments {
		pieces = append(pieces, b.event("contentBlockDelta", fmt.Sprintf(`{"contentBlockIndex":0,"delta":{"toolUse":{"input":%s}}}`, quote(a))))
	}
	return pieces
}

func (bedrock) ping() string { return "" } // it has none

func (b bedrock) end(e *Entry, u Usage, usage bool) string {
	out := b.event("contentBlockStop", `{"contentBlockIndex":0}`) + b.event("messageStop", fmt.Sprintf(`{"stopReason":%q}`, b.stop(e)))
	if usage {
		out += b.event("metadata", "{"+b.usage(u)+"}")
	}
	return out
}
