package rdf

import (
	"math"
	"strconv"
	"strings"
)

// tooManyDigits is why a number is refused.
const tooManyDigits = "the number has more digits than a double carries, and they would be lost; write it as a string"

// numberText appends the text of a JSON number's literal: an integer's digits, or a
// double with a point, at most fifteen digits after it, and an exponent (JSON-LD 1.1 API,
// 8.2: canonical integer and canonical double). It isn't ok if the text would be another
// number than the one that is spelled.
func numberText(to []byte, spelled, datatype string) (text []byte, isInteger, ok bool) {
	if len(spelled) <= 15 && datatype != xsd+"double" && isDigits(spelled) {
		return append(to, spelled...), true, true
	}
	f, err := strconv.ParseFloat(spelled, 64)
	if err != nil {
		return to, false, false
	}
	from := len(to)
	if f == math.Trunc(f) && math.Abs(f) < 1e21 && datatype != xsd+"double" {
		to = strconv.AppendFloat(to, f+0, 'f', 0, 64)
		return to, true, sameDecimal(spelled, string(to[from:]))
	}
	to = strconv.AppendFloat(to, f, 'E', 15, 64)
	again, err := strconv.ParseFloat(string(to[from:]), 64)
	ok = err == nil && again == f && isDouble(spelled)
	mantissa, exponent, _ := strings.Cut(string(to[from:]), "E")
	mantissa = strings.TrimRight(mantissa, "0")
	to = append(to[:from], mantissa...)
	if strings.HasSuffix(mantissa, ".") {
		to = append(to, '0')
	}
	e, _ := strconv.Atoi(exponent)
	return strconv.AppendInt(append(to, 'E'), int64(e), 10), false, ok
}

// isDigits says whether s is a JSON number without sign, point and exponent.
func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// exact says whether a number's literal shows it as it is spelled, whatever type it has.
func exact(spelled string) bool {
	var buf [40]byte
	_, _, ok := numberText(buf[:0], spelled, "")
	return ok
}

// isDouble says whether a double is the number that is spelled: the decimal is the
// shortest that gives this double, or its exact value.
func isDouble(spelled string) bool {
	if len(spelled) <= 15 && strings.IndexAny(spelled, "eE") < 0 {
		return true // a double tells any two decimals of fifteen digits apart
	}
	f, err := strconv.ParseFloat(spelled, 64)
	if err != nil {
		return false
	}
	if sameDecimal(spelled, strconv.FormatFloat(f, 'e', -1, 64)) {
		return true
	}
	return f == math.Trunc(f) && math.Abs(f) < 1e21 && sameDecimal(spelled, strconv.FormatFloat(f, 'f', 0, 64))
}

// sameDecimal says whether two spellings are one number.
func sameDecimal(a, b string) bool {
	da, ea, oka := decimal(a)
	db, eb, okb := decimal(b)
	return oka && okb && da == db && ea == eb
}

// decimal brings a JSON number to digits that neither begin nor end with zero, with the
// sign before them, and the power of ten of the last one. Zero has no digits. It isn't
// ok if the exponent is beyond all bounds.
func decimal(s string) (digits string, exponent int, ok bool) {
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	power := ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		s, power = s[:i], s[i+1:]
	}
	whole, fraction, _ := strings.Cut(s, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	exponent = -len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(trimmed)
	if trimmed == "" {
		return "", 0, true
	}
	if power != "" {
		e, err := strconv.Atoi(power)
		if err != nil {
			return "", 0, false
		}
		exponent += e
	}
	return sign + trimmed, exponent, true
}
