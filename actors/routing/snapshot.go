package routing

import (
	"crypto/sha256"
	"crypto/subtle"

	"github.com/tollhouse/tollhouse/adapters"
)

// Snapshot is the routing side of one configuration. It is immutable; a reload publishes another.
type Snapshot struct {
	Registries map[string]*adapters.Registry
	Pools      map[string]*Pool
	Consumers  []*Consumer
	Prices     Prices // nil: nobody knows what anything costs
	keys       map[[sha256.Size]byte]Key
}

// Key is one client key: whose it is, and the name under which events know it.
type Key struct {
	ID       string // the first 12 hex digits of the hash: enough to tell keys apart, nothing to log in with
	Consumer *Consumer
	Snapshot *Snapshot // that knows it
	hash     [sha256.Size]byte
}

// KeyHash is a client key at rest.
type KeyHash = [sha256.Size]byte

// HashKey returns the key as it is kept.
func HashKey(secret string) KeyHash { return sha256.Sum256([]byte(secret)) }

// AddKey gives a consumer a key; it reports false where the key is another's or given already. It is for building
// a snapshot, before it is published.
func (s *Snapshot) AddKey(hash KeyHash, c *Consumer) bool {
	if s.keys == nil {
		s.keys = make(map[[sha256.Size]byte]Key)
	}
	if _, taken := s.keys[hash]; taken {
		return false
	}
	s.keys[hash] = Key{ID: hexPrefix(hash), Consumer: c, Snapshot: s, hash: hash}
	return true
}

// Authenticate returns the key of a secret. Lookup is by the secret's hash, so that its time tells nothing of the
// keys that exist; the final comparison takes constant time.
func (s *Snapshot) Authenticate(secret string) (Key, bool) {
	hash := HashKey(secret)
	k, ok := s.keys[hash]
	if !ok || subtle.ConstantTimeCompare(k.hash[:], hash[:]) != 1 {
		return Key{}, false
	}
	return k, true
}

func hexPrefix(hash KeyHash) string {
	const digits = "0123456789abcdef"
	var out [12]byte
	for i := range out {
		b := hash[i/2]
		if i%2 == 0 {
			b >>= 4
		}
		out[i] = digits[b&15]
	}
	return string(out[:])
}
