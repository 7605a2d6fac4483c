// Package eventstream splits a stream of application/vnd.amazon.eventstream into its frames, each with the very bytes it came
// in, and writes such frames.
//
// A frame is, in big-endian numbers: its total length, the length of its headers, the CRC32 of these eight bytes; the headers;
// the payload; and the CRC32 of all that stands before it.
package eventstream

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/tollhouse/tollhouse/adapters/wire"
)

// ContentType is what a stream of frames is announced as.
const ContentType = "application/vnd.amazon.eventstream"

const (
	preludeLen  = 12 // two lengths and their checksum
	checksumLen = 4
	minFrame    = preludeLen + checksumLen
)

// The headers by which a frame says what it is.
const (
	messageType   = ":message-type"
	eventType     = ":event-type"
	exceptionType = ":exception-type"
	contentType   = ":content-type"
	errorCode     = ":error-code"
	errorMessage  = ":error-message"
)

// ErrorPrefix stands before the name of a frame of message type error: it has a code and a message in its headers, and is neither
// an event nor an exception that the service's model knows.
const ErrorPrefix = "error:"

// Types of header values. We write strings only; the others are skipped.
const (
	typeTrue = iota
	typeFalse
	typeByte
	typeShort
	typeInt
	typeLong
	typeBytes
	typeString
	typeTimestamp
	typeUUID
)

var errHeaders = fmt.Errorf("%w: its headers do not fit", wire.ErrMalformed)

// prelude reads the lengths of a frame; b holds a whole prelude.
func prelude(b []byte) (total, headers int, err error) {
	if crc32.ChecksumIEEE(b[:8]) != binary.BigEndian.Uint32(b[8:12]) {
		return 0, 0, fmt.Errorf("%w: the checksum of its lengths is wrong", wire.ErrMalformed)
	}
	t, h := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if t < minFrame || h > t-minFrame {
		return 0, 0, fmt.Errorf("%w: its lengths contradict each other", wire.ErrMalformed)
	}
	return int(t), int(h), nil
}

// eachHeader calls visit for each header with a string for its value.
func eachHeader(b []byte, visit func(name, value []byte)) error {
	for len(b) > 0 {
		n := int(b[0])
		if len(b) < 2+n {
			return errHeaders
		}
		name, kind, rest := b[1:1+n], b[1+n], b[2+n:]
		size := 0
		switch kind {
		case typeTrue, typeFalse:
		case typeByte:
			size = 1
		case typeShort:
			size = 2
		case typeInt:
			size = 4
		case typeLong, typeTimestamp:
			size = 8
		case typeUUID:
			size = 16
		case typeBytes, typeString:
			if len(rest) < 2 {
				return errHeaders
			}
			size, rest = int(binary.BigEndian.Uint16(rest)), rest[2:]
		default:
			return errHeaders
		}
		if len(rest) < size {
			return errHeaders
		}
		if kind == typeString {
			visit(name, rest[:size])
		}
		b = rest[size:]
	}
	return nil
}

// AppendEvent appends an event with a JSON payload.
func AppendEvent(dst []byte, name string, payload []byte) []byte {
	return appendFrame(dst, eventType, name, "event", payload)
}

// AppendException appends an exception with a JSON payload.
func AppendException(dst []byte, name string, payload []byte) []byte {
	return appendFrame(dst, exceptionType, name, "exception", payload)
}

func appendFrame(dst []byte, kind, name, message string, payload []byte) []byte {
	begin := len(dst)
	dst = append(dst, make([]byte, preludeLen)...)
	dst = appendHeader(dst, kind, name)
	dst = appendHeader(dst, contentType, "application/json")
	dst = appendHeader(dst, messageType, message)
	headers := len(dst) - begin - preludeLen
	dst = append(dst, payload...)
	frame := dst[begin:]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)+checksumLen))
	binary.BigEndian.PutUint32(frame[4:], uint32(headers))
	binary.BigEndian.PutUint32(frame[8:], crc32.ChecksumIEEE(frame[:8]))
	return binary.BigEndian.AppendUint32(dst, crc32.ChecksumIEEE(frame))
}

// appendHeader writes a header of short strings: both are words of ours.
func appendHeader(dst []byte, name, value string) []byte {
	dst = append(append(dst, byte(len(name))), name...)
	dst = binary.BigEndian.AppendUint16(append(dst, typeString), uint16(len(value)))
	return append(dst, value...)
}
