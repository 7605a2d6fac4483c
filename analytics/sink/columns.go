package sink

import (
	"reflect"
	"strings"
	"sync"
)

// columnsOf keeps the column list of each row type.
var columnsOf sync.Map

// columns lists a row's columns, so that those the row does not have take their defaults.
func columns(row any) string {
	t := reflect.TypeOf(row).Elem()
	if known, ok := columnsOf.Load(t); ok {
		return known.(string)
	}
	names := make([]string, 0, t.NumField())
	for i := range t.NumField() {
		names = append(names, "`"+t.Field(i).Tag.Get("ch")+"`")
	}
	list := strings.Join(names, ", ")
	columnsOf.Store(t, list)
	return list
}
