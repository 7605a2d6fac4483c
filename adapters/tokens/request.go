package tokens

import (
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// What is given to the tokenizer of a body at most: a stream that was broken off costs this much work, however long its prompt.
const (
	pieces    = 4
	pieceSize = 512
)

// EstimateRequest returns about how many tokens a request's body is to the model, with what its provider writes around each turn. Media
// are not counted.
func EstimateRequest(model string, body []byte) uint64 {
	tokens, around := estimateJSON(model, body)
	return tokens + around
}

// EstimateAnswer returns about how many tokens the model wrote of a whole answer's body.
func EstimateAnswer(model string, body []byte) uint64 {
	tokens, _ := estimateJSON(model, body)
	return tokens
}

// estimateJSON estimates the texts of a body. Of more than two KiB, pieces at equal distances are read and stand for the rest.
func estimateJSON(model string, body []byte) (tokens, around uint64) {
	total := 0
	around = each(body, func(text []byte) { total += len(text) })
	if total == 0 {
		return 0, around
	}
	stride := max(total/pieces, pieceSize)
	sample := make([]byte, 0, pieces*(pieceSize+utf8.UTFMax))
	at, read := 0, 0
	each(body, func(text []byte) {
		for len(text) > 0 {
			within := at % stride
			n := min(len(text), stride-within)
			if within < pieceSize && read < pieces*pieceSize {
				n = min(len(text), pieceSize-within)
				sample, read = unescape(sample, text[:n]), read+n
			}
			at, text = at+n, text[n:]
		}
		if at%stride < pieceSize {
			sample = append(sample, '\n')
		}
	})
	tokens = Estimate(model, sample)
	if read < total {
		tokens = uint64(float64(tokens) * float64(total) / float64(read))
	}
	return tokens, around
}

// unescape appends what a piece of a JSON string says. What is cut at its ends is left as it stands.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			dst = append(dst, text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'n', 'r', 't', 'b', 'f':
			dst = append(dst, '\n')
		case 'u':
			r, n := rune4(text[i+1:])
			if i += n; n > 0 {
				dst = utf8.AppendRune(dst, r)
			}
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// rune4 reads what stands behind \u, a pair too, and how many bytes that is.
func rune4(text []byte) (r rune, n int) {
	hex := func(at int) (rune, bool) {
		if len(text) < at+4 {
			return 0, false
		}
		v, err := strconv.ParseUint(string(text[at:at+4]), 16, 32)
		return rune(v), err == nil
	}
	r, ok := hex(0)
	if !ok {
		return 0, 0
	}
	if utf16.IsSurrogate(r) && len(text) >= 10 && text[4] == '\\' && text[5] == 'u' {
		if low, ok := hex(6); ok {
			return utf16.DecodeRune(r, low), 10
		}
	}
	return r, 4
}
