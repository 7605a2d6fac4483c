package bedrock

import (
	"encoding/json"

	"github.com/tollhouse/tollhouse/adapters/canonical"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

// DecodeAnswer reads a buffered answer. Usage is a fact, and latency and traces are nothing that another dialect has a word for.
func (Dialect) DecodeAnswer(body []byte) (*canonical.Response, error) {
	start, _, err := jsonscan.Object(body, nil)
	if err != nil {
		return nil, badAnswer(err)
	}
	r := &canonical.Response{}
	c := canonical.Choice{}
	err = object("answer", body[start:], func(name string, value []byte) error {
		switch name {
		case "output":
			return decodeOutput(value, &c)
		case "stopReason":
			var native string
			err := readText(name, value, &native)
			c.Finish = finish(native)
			return err
		case "serviceTier":
			tier, err := members(name, value)
			if err == nil {
				r.ServiceTier, _ = jsonscan.String(tier["type"])
			}
			return err
		case "additionalModelResponseFields":
			c.StopSequence = stopSequence(value)
		}
		return nil
	})
	r.Choices = []canonical.Choice{c}
	return r, badAnswer(err)
}

func decodeOutput(value []byte, c *canonical.Choice) error {
	return object("output", value, func(name string, value []byte) error {
		if name != "message" {
			return nil
		}
		return object("output.message", value, func(name string, value []byte) (err error) {
			if name == "content" {
				c.Parts, err = decodeBlocks("output.message.content", value)
				for i := range c.Parts {
					c.Parts[i].Field = "" // it is not of the client's body
				}
			}
			return err
		})
	})
}

// stopSequence is what Claude and others are asked to add: which of the sequences it was.
func stopSequence(fields []byte) string {
	var own struct {
		Stop string `json:"stop_sequence"`
	}
	_ = json.Unmarshal(fields, &own) // they may be anything
	return own.Stop
}
