package gemini

import (
	"encoding/json"
	"strings"

	"github.com/tollhouse/tollhouse/adapters/canonical"
)

// config reads generationConfig.
func (d *decoder) config(value []byte) error {
	r := d.r
	var mime string
	var schema json.RawMessage
	err := fields(value, "generationConfig", func(name string, value []byte) (err error) {
		at := "generationConfig." + name
		switch name {
		case "maxOutputTokens":
			r.MaxOutputTokens, err = number(value, at)
		case "temperature":
			r.Temperature, err = number(value, at)
		case "topP":
			r.TopP, err = number(value, at)
		case "topK":
			r.TopK, err = number(value, at)
		case "seed":
			r.Seed, err = number(value, at)
		case "candidateCount":
			r.N, err = number(value, at)
		case "presencePenalty":
			r.PresencePenalty, err = number(value, at)
		case "frequencyPenalty":
			r.FrequencyPenalty, err = number(value, at)
		case "logprobs":
			r.TopLogprobs, err = number(value, at)
		case "responseLogprobs":
			var on bool
			on, err = boolean(value, at)
			r.Logprobs = &on
		case "stopSequences":
			r.Stop, err = texts(value, at)
		case "responseModalities":
			r.Modalities, err = texts(value, at)
			for i, m := range r.Modalities {
				r.Modalities[i] = strings.ToLower(m)
			}
		case "responseMimeType":
			mime, err = text(value, at)
		case "responseSchema":
			schema = schemaFrom(value)
		case "responseJsonSchema", "_responseJsonSchema", "ResponseJsonSchema":
			schema = clone(value)
		case "thinkingConfig":
			err = d.thinking(value)
		case "speechConfig":
			d.speech(value, at)
		default:
			d.other(at, value, false)
		}
		return err
	})
	d.format(mime, schema)
	return err
}

// format says what the answer's text must be.
func (d *decoder) format(mime string, schema json.RawMessage) {
	switch {
	case schema != nil:
		d.r.Format = &canonical.Format{Kind: canonical.FormatSchema, Schema: schema}
	case mime == "application/json":
		d.r.Format = &canonical.Format{Kind: canonical.FormatJSON}
	case mime == "text/plain":
		d.r.Format = &canonical.Format{Kind: canonical.FormatText}
	}
	switch mime {
	case "", "application/json", "text/plain":
	default: // text/x.enum: one of the schema's words, without quotes
		d.other("generationConfig.responseMimeType", encode(mime), false)
	}
}

// thinking reads thinkingConfig.
func (d *decoder) thinking(value []byte) error {
	const at = "generationConfig.thinkingConfig"
	t := &canonical.Reasoning{}
	d.r.Reasoning = t
	return fields(value, at, func(name string, value []byte) (err error) {
		switch name {
		case "thinkingBudget":
			t.Budget, err = number(value, at+"."+name)
		case "thinkingLevel":
			t.Effort, err = text(value, at+"."+name)
			t.Effort = strings.ToLower(t.Effort)
		case "includeThoughts":
			var show bool
			if show, err = boolean(value, at+"."+name); show {
				t.Show = "auto"
			} else {
				t.Show = "omitted"
			}
		default:
			d.other(at+"."+name, value, false)
		}
		return err
	})
}

// speech reads how a spoken answer sounds: the one voice that others have, too, or what only Google has.
func (d *decoder) speech(value []byte, at string) {
	var s struct {
		VoiceConfig struct {
			Prebuilt struct {
				Name string `json:"voiceName"`
			} `json:"prebuiltVoiceConfig"`
		} `json:"voiceConfig"`
	}
	_ = json.Unmarshal(value, &s)
	voice := s.VoiceConfig.Prebuilt.Name
	if voice == "" || compact(value) != string(encode(speechOf(voice))) {
		d.other(at, value, false)
		return
	}
	d.r.Audio = &canonical.AudioOutput{Voice: voice}
}

func speechOf(voice string) *object {
	o := &object{}
	o.at("voiceConfig.prebuiltVoiceConfig.voiceName", voice)
	return o
}
