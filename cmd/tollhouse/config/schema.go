package config

import (
	"reflect"
	"strings"
)

// schema is which keys stand where, read off the structs.
type schema struct {
	members map[string]*schema // of a struct
	any     *schema            // of a map: every key
	element *schema            // of a list
	open    bool               // other keys are a provider's own
}

func schemaOf(c Config) *schema { return schemaFor(reflect.TypeOf(c)) }

func schemaFor(t reflect.Type) *schema {
	switch t.Kind() {
	case reflect.Pointer:
		return schemaFor(t.Elem())
	case reflect.Map:
		return &schema{any: schemaFor(t.Elem())}
	case reflect.Slice:
		return &schema{element: schemaFor(t.Elem())}
	case reflect.Struct:
		if t == reflect.TypeFor[PoolRef]() {
			return &schema{element: schemaFor(reflect.TypeFor[Member]())}
		}
		s := &schema{members: map[string]*schema{}}
		for i := range t.NumField() {
			name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
			if name == "-" {
				s.open = true
				continue
			}
			s.members[name] = schemaFor(t.Field(i).Type)
		}
		return s
	}
	return &schema{}
}
