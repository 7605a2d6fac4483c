package bedrock

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// hints are members that change nothing in the answer.
var hints = []string{"requestMetadata", "performanceConfig"}

// requestDecoder reads a request.
type requestDecoder struct{ out *canonical.Request }

// DecodeRequest reads a Converse request. Model and stream are the path's.
func (Dialect) DecodeRequest(req *adapters.RequestContext) (*canonical.Request, error) {
	d := requestDecoder{&canonical.Request{Model: req.Model, Stream: req.Stream}}
	start := req.ObjectSpan.Start
	err := object("body", req.Body[start:], d.member)
	if err != nil {
		return nil, err
	}
	return d.out, nil
}

func (d *requestDecoder) member(name string, value []byte) error {
	r := d.out
	switch name {
	case "messages":
		return array(name, value, func(i int, value []byte) error {
			return d.message(fmt.Sprintf("messages[%d]", i), value)
		})
	case "system":
		return d.system(value)
	case "inferenceConfig":
		return d.inference(value)
	case "toolConfig":
		return d.tools(value)
	case "outputConfig":
		return d.output(value)
	case "additionalModelRequestFields":
		return d.additional(value)
	case "serviceTier":
		return object(name, value, func(inner string, value []byte) error {
			if inner == "type" {
				return readText("serviceTier.type", value, &r.ServiceTier)
			}
			d.other("serviceTier."+inner, value)
			return nil
		})
	}
	d.other(name, value)
	return nil
}

// other keeps what the model between dialects has no word for.
func (d *requestDecoder) other(name string, value []byte) {
	d.out.Others = append(d.out.Others, canonical.Other{
		Dialect: Name, Name: name, Value: json.RawMessage(compact(value)), Hint: slices.Contains(hints, name),
	})
}

// system reads the system prompt as one message in front of all others, wherever in the body it stands.
func (d *requestDecoder) system(value []byte) error {
	parts, err := decodeBlocks("system", value)
	if err != nil {
		return err
	}
	if len(parts) > 0 {
		d.out.Messages = slices.Insert(d.out.Messages, 0, canonical.Message{Role: canonical.System, Parts: parts})
	}
	return nil
}

func (d *requestDecoder) message(path string, value []byte) error {
	var m canonical.Message
	err := object(path, value, func(name string, value []byte) (err error) {
		at := path + "." + name
		switch name {
		case "role":
			var role string
			if err := readText(at, value, &role); err != nil {
				return err
			}
			switch m.Role = canonical.Role(role); m.Role {
			case canonical.User, canonical.Assistant, canonical.System:
				return nil
			}
			return adapters.InvalidRequest(at, "%s must be user, assistant or system", at)
		case "content":
			m.Parts, err = decodeBlocks(at, value)
			return err
		}
		d.other(at, value)
		return nil
	})
	if err == nil && m.Role == "" {
		err = adapters.InvalidRequest(path+".role", "%s.role must be given", path)
	}
	d.out.Messages = append(d.out.Messages, m)
	return err
}

func (d *requestDecoder) inference(value []byte) error {
	r := d.out
	return object("inferenceConfig", value, func(name string, value []byte) error {
		at := "inferenceConfig." + name
		switch name {
		case "maxTokens":
			return readNumber(at, value, &r.MaxOutputTokens)
		case "temperature":
			return readNumber(at, value, &r.Temperature)
		case "topP":
			return readNumber(at, value, &r.TopP)
		case "stopSequences":
			return array(at, value, func(i int, value []byte) error {
				var stop string
				err := readText(fmt.Sprintf("%s[%d]", at, i), value, &stop)
				r.Stop = append(r.Stop, stop)
				return err
			})
		}
		d.other(at, value)
		return nil
	})
}

// output reads how the text is to be: its JSON schema, which is itself a text, and the effort.
func (d *requestDecoder) output(value []byte) error {
	return object("outputConfig", value, func(name string, value []byte) error {
		at := "outputConfig." + name
		switch name {
		case "effort":
			return readText(at, value, &d.reasoning().Effort)
		case "textFormat":
			if f, ok := decodeFormat(value); ok {
				d.out.Format = f
				return nil
			}
		}
		d.other(at, value)
		return nil
	})
}

func decodeFormat(value []byte) (*canonical.Format, bool) {
	var wire struct {
		Type      string `json:"type"`
		Structure struct {
			Schema struct{ Schema, Name, Description string } `json:"jsonSchema"`
		} `json:"structure"`
	}
	if json.Unmarshal(value, &wire) != nil || wire.Type != "json_schema" || !json.Valid([]byte(wire.Structure.Schema.Schema)) {
		return nil, false
	}
	s := wire.Structure.Schema
	return &canonical.Format{
		Kind: canonical.FormatSchema, Name: s.Name, Description: s.Description, Schema: json.RawMessage(s.Schema),
	}, true
}
