{{/* The name of every object: the release, and the chart if the release is not named after it. */}}
{{- define "livechat.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods. It must never change. */}}
{{- define "livechat.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "livechat.labels" -}}
{{ include "livechat.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The path below which everything is served. The probes also answer at the root. */}}
{{- define "livechat.basePath" -}}
{{- .Values.settings.BASE_PATH | default "" | trimSuffix "/" -}}
{{- end -}}
