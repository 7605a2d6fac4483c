package bedrock

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// decodeBlocks reads the content of a message, of the system prompt or of a tool's result. A cache point marks the part that it
// stands behind.
func decodeBlocks(path string, value []byte) (parts []canonical.Part, err error) {
	err = array(path, value, func(i int, value []byte) error {
		at := fmt.Sprintf("%s[%d]", path, i)
		kind, inner, err := only(at, value)
		if err != nil {
			return err
		}
		if kind == "cachePoint" && len(parts) > 0 && parts[len(parts)-1].Cache == nil {
			cache, err := decodeCache(at, inner)
			parts[len(parts)-1].Cache = cache
			return err
		}
		p, err := decodeBlock(at, kind, inner)
		if p.Kind == canonical.Foreign {
			p.Dialect, p.Raw = Name, json.RawMessage(compact(value))
		}
		p.Field = at
		parts = append(parts, p)
		return err
	})
	return parts, err
}

func decodeCache(path string, value []byte) (*canonical.Cache, error) {
	c := &canonical.Cache{}
	err := object(path+".cachePoint", value, func(name string, value []byte) error {
		if name == "ttl" {
			return readText(path+".cachePoint.ttl", value, &c.TTL)
		}
		return nil // type: there is one only
	})
	return c, err
}

// decodeBlock reads one block. What only Bedrock has stays foreign: guarded content, search results, the calls of its own tools.
func decodeBlock(path, kind string, value []byte) (p canonical.Part, err error) {
	at := path + "." + kind
	foreign := canonical.Part{Kind: canonical.Foreign}
	switch kind {
	case "text":
		p.Kind = canonical.Text
		return p, readText(at, value, &p.Text)
	case "json": // of a tool's result
		return canonical.Part{Kind: canonical.Text, Text: compact(value)}, nil
	case "image", "video", "audio", "document":
		return decodeMedia(at, kind, value)
	case "reasoningContent":
		return decodeThought(at, value)
	case "citationsContent":
		return decodeCited(at, value)
	case "toolUse":
		c := &canonical.Call{}
		err = object(at, value, func(name string, value []byte) error {
			switch name {
			case "toolUseId":
				return readText(at+".toolUseId", value, &c.ID)
			case "name":
				return readText(at+".name", value, &c.Name)
			case "input":
				c.Arguments = compact(value)
			case "type":
				if string(value) == `"server_tool_use"` { // the provider ran it
					p = foreign
				}
			}
			return nil
		})
		if err != nil || p.Kind == canonical.Foreign {
			return p, err
		}
		return canonical.Part{Kind: canonical.ToolCall, Call: c}, nil
	case "toolResult":
		return decodeResult(at, value)
	}
	return foreign, nil
}

func decodeResult(path string, value []byte) (p canonical.Part, err error) {
	r := &canonical.Result{}
	p = canonical.Part{Kind: canonical.ToolResult, Result: r}
	err = object(path, value, func(name string, value []byte) (err error) {
		at := path + "." + name
		switch name {
		case "toolUseId":
			return readText(at, value, &r.CallID)
		case "content":
			r.Parts, err = decodeBlocks(at, value)
			return err
		case "status":
			r.IsError = string(value) == `"error"`
		case "type": // of a tool that the provider ran
			p = canonical.Part{Kind: canonical.Foreign}
		}
		return nil
	})
	return p, err
}

// opaque stands before what the model thought in secret where it is no text even behind its base64.
const opaque = "base64:"

// decodeThought reads a thought. AWS wraps what is redacted in base64 once more than the model's maker does; without that wrapping it
// is what the maker's own API has.
func decodeThought(path string, value []byte) (canonical.Part, error) {
	t := &canonical.Thought{}
	p := canonical.Part{Kind: canonical.Thinking, Thought: t}
	err := object(path, value, func(name string, value []byte) error {
		at := path + "." + name
		switch name {
		case "reasoningText":
			return object(at, value, func(name string, value []byte) error {
				switch name {
				case "text":
					return readText(at+".text", value, &t.Text)
				case "signature":
					return readText(at+".signature", value, &t.Signature)
				}
				return nil
			})
		case "redactedContent":
			var blob string
			err := readText(at, value, &blob)
			t.Encrypted = unwrap(blob)
			return err
		}
		p = canonical.Part{Kind: canonical.Foreign}
		return nil
	})
	return p, err
}

func unwrap(blob string) string {
	raw, err := base64.StdEncoding.DecodeString(blob)
	if err != nil || !utf8.Valid(raw) {
		return opaque + blob
	}
	return string(raw)
}

// decodeCited reads text that comes with citations.
func decodeCited(path string, value []byte) (canonical.Part, error) {
	p := canonical.Part{Kind: canonical.Text}
	err := object(path, value, func(name string, value []byte) error {
		at := path + "." + name
		switch name {
		case "content":
			return array(at, value, func(i int, value []byte) error {
				_, inner, err := only(fmt.Sprintf("%s[%d]", at, i), value)
				if err != nil {
					return err
				}
				var text string
				err = readText(fmt.Sprintf("%s[%d].text", at, i), inner, &text)
				p.Text += text
				return err
			})
		case "citations":
			p.Citations, p.Dialect = json.RawMessage(compact(value)), Name
		}
		return nil
	})
	return p, err
}

// badAnswer hides which field of a provider's answer is wrong: the client did not write it.
func badAnswer(err error) error {
	if err == nil {
		return nil
	}
	return &adapters.Error{Code: adapters.CodeUpstreamError, Message: "the provider's answer is not one of Converse's", Cause: err}
}
