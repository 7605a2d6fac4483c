package events

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// seqWidth is how many digits a number can have: seq stays below 2⁵³.
const seqWidth = 16

// TimeFormat is how every time is written: RFC 3339, UTC, microseconds.
const TimeFormat = "2006-01-02T15:04:05.000000Z"

// jsonObject appends the members of one JSON object. Events are encoded once per fact on the request path;
// by hand that takes no reflection and no allocation beyond the buffer.
type jsonObject struct {
	buf   []byte
	seqAt int
}

func beginNumbered(dst []byte, n *Numbered) *jsonObject {
	j := &jsonObject{buf: append(dst, '{')}
	j.str("event_id", n.EventID)
	j.str("gateway_id", n.GatewayID)
	j.uint("epoch", n.Epoch)
	j.name("seq")
	j.seqAt = len(j.buf)
	j.buf = append(j.buf, "                "[:seqWidth]...)
	PatchSeq(j.buf, j.seqAt, n.Seq)
	return j
}

// PatchSeq writes seq, right-aligned, into the place an AppendJSON left for it. JSON allows the space before it.
func PatchSeq(payload []byte, seqAt int, seq uint64) {
	at := seqAt + seqWidth
	for {
		at--
		payload[at] = '0' + byte(seq%10)
		seq /= 10
		if seq == 0 || at == seqAt {
			break
		}
	}
	for at > seqAt {
		at--
		payload[at] = ' '
	}
}

func (j *jsonObject) end() (out []byte, seqAt int) { return append(j.buf, '}'), j.seqAt }

func (j *jsonObject) name(name string) {
	if j.buf[len(j.buf)-1] != '{' {
		j.buf = append(j.buf, ',')
	}
	j.buf = append(j.buf, '"')
	j.buf = append(j.buf, name...)
	j.buf = append(j.buf, '"', ':')
}

func (j *jsonObject) str(name, v string) {
	j.name(name)
	j.buf = appendJSONString(j.buf, v)
}

func (j *jsonObject) optStr(name, v string) {
	if v != "" {
		j.str(name, v)
	}
}

func (j *jsonObject) uint(name string, v uint64) {
	j.name(name)
	j.buf = strconv.AppendUint(j.buf, v, 10)
}

func (j *jsonObject) optUint(name string, v uint64) {
	if v != 0 {
		j.uint(name, v)
	}
}

func (j *jsonObject) bool(name string, v bool) {
	j.name(name)
	j.buf = strconv.AppendBool(j.buf, v)
}

func (j *jsonObject) time(name string, v time.Time) {
	j.name(name)
	j.buf = append(j.buf, '"')
	j.buf = v.UTC().AppendFormat(j.buf, TimeFormat)
	j.buf = append(j.buf, '"')
}

func (j *jsonObject) optTime(name string, v time.Time) {
	if !v.IsZero() {
		j.time(name, v)
	}
}

func (j *jsonObject) strings(name string, v []string) {
	if len(v) == 0 {
		return
	}
	j.name(name)
	j.buf = append(j.buf, '[')
	for i, s := range v {
		if i > 0 {
			j.buf = append(j.buf, ',')
		}
		j.buf = appendJSONString(j.buf, s)
	}
	j.buf = append(j.buf, ']')
}

func (j *jsonObject) accept(a *Accept) {
	j.str("request_id", a.RequestID)
	j.str("consumer", a.Consumer)
	j.str("key_id", a.KeyID)
	if len(a.Labels) > 0 {
		j.name("labels")
		j.buf = appendSorted(j.buf, a.Labels, appendJSONString)
	}
	j.str("dialect", a.Dialect)
	j.str("requested_model", a.RequestedModel)
	j.bool("stream", a.Stream)
	j.uint("body_bytes", a.BodyBytes)
	j.time("received_at", a.ReceivedAt)
}

func (j *jsonObject) usage(u *Usage) {
	j.uint("input_tokens", u.InputTokens)
	j.uint("cache_read_tokens", u.CacheReadTokens)
	j.uint("cache_write_tokens", u.CacheWriteTokens)
	j.uint("cache_write_1h_tokens", u.CacheWrite1hTokens)
	j.uint("input_audio_tokens", u.InputAudioTokens)
	j.uint("output_tokens", u.OutputTokens)
	j.uint("reasoning_tokens", u.ReasoningTokens)
	j.uint("output_audio_tokens", u.OutputAudioTokens)
	if len(u.OtherUnits) > 0 {
		j.name("other_units")
		j.buf = appendSorted(j.buf, u.OtherUnits, func(dst []byte, n uint64) []byte {
			return strconv.AppendUint(dst, n, 10)
		})
	}
}

// appendSorted writes a map in the order of its keys, so that one state has one encoding.
func appendSorted[V any](dst []byte, m map[string]V, value func([]byte, V) []byte) []byte {
	var room [16]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	dst = append(dst, '{')
	for i, k := range keys {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendJSONString(dst, k), ':')
		dst = value(dst, m[k])
	}
	return append(dst, '}')
}

// appendJSONString quotes s. What is not UTF-8 becomes U+FFFD, as encoding/json does it.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	clean := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size != 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[clean:i]...), "\ufffd"...)
			i++
			clean = i
			continue
		}
		dst = append(dst, s[clean:i]...)
		if b == '"' || b == '\\' {
			dst = append(dst, '\\', b)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
		}
		i++
		clean = i
	}
	return append(append(dst, s[clean:]...), '"')
}
