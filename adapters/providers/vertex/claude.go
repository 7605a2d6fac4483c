package vertex

import "github.com/tollhouse/tollhouse/adapters/wire/jsonscan"

// claudeVersion is the version of Anthropic's API that Vertex speaks; it stands in the body.
const claudeVersion = `"anthropic_version":"vertex-2023-10-16"`

// claudeBody returns the body as Vertex takes it: with anthropic_version, and without the model, which stands in the path. Vertex
// refuses members that it does not know. All other bytes stay.
func claudeBody(body []byte, keepModel bool) ([]byte, error) {
	type member struct{ start, end int } // from the end of the one before to its own
	var model member
	versioned, first, members, behind := false, false, 0, 0
	open, closing, err := jsonscan.Object(body, func(key []byte, _, end int) error {
		switch string(key) {
		case "model":
			model, first = member{behind, end}, members == 0
		case "anthropic_version":
			versioned = true
		}
		behind = end
		members++
		return nil
	})
	if err != nil {
		return nil, err
	}
	keepModel = keepModel || model.end == 0
	left := members
	if !keepModel {
		left--
	}
	out := make([]byte, 0, len(body)+len(claudeVersion)+1)
	out = append(out, body[:open+1]...)
	if !versioned {
		out = append(out, claudeVersion...)
		if left > 0 {
			out = append(out, ',')
		}
	}
	at := open + 1
	switch {
	case keepModel:
	case left == 0:
		at = closing - 1
	case first: // its comma stands behind it
		for at = model.end; body[at] != ','; at++ {
		}
		at++
	default: // its comma stands before it
		out = append(out, body[at:model.start]...)
		at = model.end
	}
	return append(out, body[at:]...), nil
}
