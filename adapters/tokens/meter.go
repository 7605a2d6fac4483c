package tokens

// Meter counts what is written of an answer, piece by piece, for the estimate of one whose usage never comes. It keeps none of the text: of
// each kind of character it knows how many tokens the tokenizer makes of it on average. Its zero value is ready.
type Meter struct {
	parts  uint64 // of tokens
	run    run    // that the last piece ended in
	length uint32 // of the run
}

// run is a stretch of characters of one kind.
type run uint8

const (
	noRun run = iota
	letters
	digits
	marks
	spaces
	breaks  // of lines
	foreign // bytes outside of ASCII
)

// JSON counts a piece of an answer: a string or what else holds text, as it stands in the body. Texts are taken to go on where those of
// the piece before ended.
func (m *Meter) JSON(value []byte) {
	if len(value) > 1 && value[0] == '"' { // nearly always
		m.text(value[1 : len(value)-1])
		return
	}
	each(value, m.text)
}

// Tokens is the estimate of what was counted.
func (m *Meter) Tokens() uint64 {
	if m.parts == 0 {
		return 0
	}
	return max((m.parts+token/2)/token, 1)
}

// text counts bytes as they stand in a JSON string.
func (m *Meter) text(text []byte) {
	for i := 0; i < len(text); i++ {
		c := text[i]
		kind := kinds[c]
		if c == '\\' && i+1 < len(text) {
			switch i++; text[i] {
			case 'u': // a character that could have stood there itself, in three bytes
				i += 4
				m.parts += 3 * perForeignByte
				m.run, m.length = foreign, 1
				continue
			case 'n', 'r', 't':
				kind = breaks
			default:
				kind = marks
			}
		}
		if kind != m.run {
			m.run, m.length = kind, 0
		}
		m.length++
		m.parts += m.cost()
	}
}

// What the tokenizer makes of a stretch, in parts of a token: the least squares of the relative error over recorded answers.
const (
	token          = 64
	perWord        = 65
	perLongWord    = 6 // more, for every four letters behind the sixth
	perDigits      = 100
	perMarks       = 41
	perSpaces      = 60
	perBreaks      = 47
	perForeignByte = 14
)

// cost is what the byte adds that the run has just grown by.
func (m *Meter) cost() uint64 {
	switch {
	case m.run == foreign:
		return perForeignByte
	case m.run == letters && m.length == 1:
		return perWord
	case m.run == letters && m.length > 6 && m.length%4 == 3:
		return perLongWord
	case m.run == digits && m.length%3 == 1:
		return perDigits
	case m.run == marks && m.length%2 == 1:
		return perMarks
	case m.run == spaces && m.length == 2: // one belongs to the word behind it
		return perSpaces
	case m.run == breaks && m.length == 1:
		return perBreaks
	}
	return 0
}

var kinds = func() (k [256]run) {
	for c := range 256 {
		switch {
		case c >= 0x80:
			k[c] = foreign
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			k[c] = letters
		case c >= '0' && c <= '9':
			k[c] = digits
		case c <= ' ':
			k[c] = spaces
		default:
			k[c] = marks
		}
	}
	return k
}()
