// A page for the legacy routes as people wrote it for the original service. DO NOT COPY: it puts names and texts of others into the
// page as markup, and shows new messages only when it is loaded again. The script legacy.js mends both.

var apiBase = 'http://127.0.0.1:8001/v1';
var room = { id: '', code: '' };
var user = { id: getCookie('user_id') || 'guest-' + Math.random().toString(36).slice(2), token: getCookie('token') };

$(function () {
	setCookie('user_id', user.id);
	$('.send-msg-btn').click(sendMsg);
	$('.send-msg-box').keypress(function (event) {
		if (event.which === 13) sendMsg();
	});
	var parts = location.hash.slice(1).split('/');
	if (parts.length === 2) {
		openRoom('room:*' + parts[0], parts[1]);
		return;
	}
	$.ajax({
		url: apiBase + '/room/create/',
		success: function (response) {
			var data = response.data;
			location.hash = data.room_id.replace('room:*', '') + '/' + data.room_code;
			openRoom(data.room_id, data.room_code);
		},
		error: showError,
	});
});

function openRoom(id, code) {
	room = { id: id, code: code };
	post('/room/', {}, function (data) {
		$('.room-link-con').text('Send your friends the address of this page.');
		$('.chat-msgs-box').html('');
		$.each(data.messages, function (index, message) {
			message.message_id = index;
			if (!message.deleted) showMsg(message);
		});
	});
}

function sendMsg() {
	var text = $('.send-msg-box').val();
	$('.send-msg-box').val('');
	var body = { user_id: user.id, token: user.token, display_name: $('.user-name-box').val(), message: text };
	post('/room/message/send', body, function (data) {
		user.token = data.token;
		setCookie('token', data.token);
		showMsg(data);
	});
}

function showMsg(data) {
	var box = $('.chat-msgs-box');
	box.append(
		'<span class="msg-box" data-message-id="' + data.message_id + '">' +
			'<div class="user-info-con"><span class="user-name">' + data.display_name + '</span> ' +
			'<span class="user-msg-time-box">' + data.created_at + '</span></div>' +
			'<div class="user-msg-con">' + data.message + '</div>' +
		'</span>'
	);
	box.scrollTop(box[0].scrollHeight);
}

function post(path, body, success) {
	body.room_id = room.id;
	body.room_code = room.code;
	$.ajax({
		url: apiBase + path,
		type: 'POST',
		contentType: 'application/json',
		data: JSON.stringify(body),
		success: function (response) {
			success(response.data);
		},
		error: showError,
	});
}

function showError(xhr) {
	$('.alert-con').text(xhr.responseJSON ? xhr.responseJSON.message : 'The server cannot be reached.');
}

function setCookie(name, value) {
	document.cookie = name + '=' + encodeURIComponent(value) + '; max-age=86400';
}

function getCookie(name) {
	var match = document.cookie.match(new RegExp('(?:^|; )' + name + '=([^;]*)'));
	return match ? decodeURIComponent(match[1]) : '';
}
