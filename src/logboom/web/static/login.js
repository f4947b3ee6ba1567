const given = new URLSearchParams(location.search);
given.delete("token");
document.getElementById("next").value = given.toString();
